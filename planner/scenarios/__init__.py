"""The plan beside others: scenarios compared, inputs varied, and what would make it better."""
