"""What the user says: model, recipe, cluster, layout, prices; what is wrong with it; the plan file."""
