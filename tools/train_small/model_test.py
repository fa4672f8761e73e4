"""The training model against unpatched transformers, on the bundled checkpoint. Needs torch and transformers."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import data  # noqa: E402
import evaluate  # noqa: E402
import export  # noqa: E402
import make_eval  # noqa: E402
import renderer  # noqa: E402
from model import document_mask, masked_attention  # noqa: E402


@pytest.fixture(scope="module")
def ours():
    return export.load(data.MODEL_DIR).eval()


@pytest.fixture(scope="module")
def theirs():
    return transformers.Glm4MoeLiteForCausalLM.from_pretrained(data.MODEL_DIR, dtype=torch.float32).eval()


def prompts(count):
    problems, tools = make_eval.read("eval.jsonl"), make_eval.read("eval_tools.jsonl")
    texts = [renderer.prompt([{"role": "user", "content": q["question"]}]) for q in problems[: count // 2]]
    return texts + [renderer.prompt(q["messages"], q["tools"]) for q in tools[: count - len(texts)]]


@torch.no_grad()
def test_logits_agree_with_transformers(ours, theirs):
    for text in prompts(6):
        ids = torch.tensor(data.load_tokenizer().encode(text).ids)
        positions = torch.arange(len(ids))
        hidden, _ = ours(ids, positions, masked_attention(document_mask(positions)))
        # Both compute in FP32; sums in another order differ by some 1e-6 of logits around 20.
        torch.testing.assert_close(ours.lm_head(hidden), theirs(ids[None]).logits[0], atol=2e-3, rtol=1e-4)


@torch.no_grad()
def test_greedy_answers_agree_with_transformers(ours, theirs):
    tokenizer = data.load_tokenizer()
    for text in prompts(4):
        ids = tokenizer.encode(text).ids
        (own,) = evaluate.generate(ours, [ids], set(), 24)
        theirs_out = theirs.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False, eos_token_id=-1)
        assert own == theirs_out[0, len(ids) :].tolist()


@torch.no_grad()
def test_a_padded_batch_answers_as_each_prompt_alone(ours):
    tokenizer = data.load_tokenizer()
    ids = [tokenizer.encode(t).ids for t in ("Question: What is 3 + 4?\nAnswer:", "Hello", prompts(1)[0])]
    together = evaluate.generate(ours, ids, set(), 12)
    assert together == [evaluate.generate(ours, [i], set(), 12)[0] for i in ids]


def test_exported_tensors_are_the_real_models_names(ours):
    names = set(export.stored(ours))
    last = ours.config.num_hidden_layers
    assert {f"model.layers.{last}.{n}.weight" for n in ("enorm", "hnorm", "eh_proj", "shared_head.norm")} <= names
    assert "model.layers.1.mlp.experts.7.down_proj.weight" in names
    assert "model.layers.0.mlp.gate_proj.weight" in names
    assert not any("embed_tokens" in n or "shared_head.head" in n for n in names if n.startswith("model.layers."))
