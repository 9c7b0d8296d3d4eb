import math

import pytest

from planner.errors import InputError
from planner.quality.laws import law
from planner.quality.observed import COLUMNS, family_under, groups, read, select

HEADER = ",".join(COLUMNS)
ROWS = """
Llama-2,Llama-2-13B,13e9,2e12,WikiText-2,2048,SP 32k,perplexity,4.95,zero-shot,somewhere,recalled
Llama-2,Llama-2-7B,7e9,2e12,WikiText-2,2048,SP 32k,perplexity,5.47,zero-shot,AWQ table 4,seen
Llama-2,Llama-2-13B,13e9,2e12,WikiText-2,2048,SP 32k,perplexity,4.88,zero-shot,AWQ table 4,seen
Llama-2,Llama-2-7B,7e9,2e12,WikiText-2,4096,SP 32k,perplexity,5.12,zero-shot,QuIP#,seen
GPT-2,GPT-2,124e6,,WikiText-2,1024,per word,perplexity,29.41,zero-shot,Radford 2019,seen
GPT-2,GPT-2,124e6,,Pile,1024,BPE,loss_nats_per_token,2.0,zero-shot,made up,seen
BERT,BERT,340e6,,GLUE,512,WordPiece,score_pct,fine-tuned wins,fine-tuned,Devlin 2019,seen
"""


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "perplexities.csv"
    path.write_text(HEADER + ROWS, "utf-8")
    return read(path)


def test_only_like_is_grouped_with_like(rows):
    found = groups(rows)
    assert [len(group.rows) for group in found] == [2, 1, 1, 1]
    assert found[0].title == "WikiText-2, zero-shot, context 2,048, SP 32k"
    assert [row.parameters for row in found[0].rows] == [7e9, 13e9]


def test_a_number_that_was_seen_wins_over_one_recalled(rows):
    assert groups(rows)[0].rows[1].value == 4.88


def test_losses_become_perplexities_and_scores_do_not(rows):
    assert rows[5].perplexity == pytest.approx(math.exp(2))
    assert rows[6].perplexity is None and math.isnan(rows[6].value)


def test_filters_must_all_agree(rows):
    assert len(select(rows, family="Llama-2")) == 4
    assert len(select(rows, family="Llama-2", context_length=4096)) == 1
    assert select(rows, family="Llama-2", benchmark="Pile") == ()


def test_the_shipped_table_is_readable_and_keeps_protocols_apart():
    shipped = read()
    assert len(shipped) > 200 and all(row.source for row in shipped)
    for group in groups(shipped):
        assert len({row.protocol for row in group.rows}) == 1
        assert len({row.model for row in group.rows}) == len(group.rows)


def test_the_llama_2_family_stands_where_the_law_puts_it():
    placed = family_under(law())
    assert [round(one.parameters / 1e9) for one in placed] == [7, 13, 34, 69]
    assert placed[-1].perplexity == pytest.approx(math.exp(law().loss(68_976_648_192, 2e12)))
    assert family_under(law("deepseek-2024")) == ()


def test_a_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("model,value\n")
    with pytest.raises(InputError, match="family"):
        read(path)
