"""Records random streams of numpy's legacy generator and Python's own for src/bench/serving's tests.

  .venv/bin/python tools/record_bench_streams.py > tests/data/bench/streams.json

numpy.random.seed, randint, random_sample and exponential are frozen by numpy's compatibility policy
for RandomState, so any version gives the same file.
"""

import json
import random

import numpy

# (longest input, longest output, requests): the cells of the benchmark page, in its order.
CELLS = [(1000, 1000, 10), (1000, 1000, 80), (1000, 1000, 500), (1000, 8000, 10), (1000, 8000, 80),
         (1000, 8000, 320), (8000, 1000, 10), (8000, 1000, 80), (8000, 1000, 320)]


def lengths(longest_in, longest_out, count, seed=1, ratio=0.0):
    numpy.random.seed(seed)
    draw = [numpy.random.randint(max(int(longest * ratio), 1), longest + 1, count)
            for longest in (longest_in, longest_out)]
    return {"input_len": longest_in, "output_len": longest_out, "count": count, "seed": seed, "ratio": ratio,
            "input_lens": draw[0].tolist(), "output_lens": draw[1].tolist()}


def peer(seed, vocab):
    """A cell of --matrix peers: two lengths, then each prompt's ids, of one stream."""
    rng = numpy.random.RandomState(seed)
    inputs, outputs = rng.randint(1, 1001, 48), rng.randint(1, 1001, 48)
    ids = [rng.randint(0, vocab, int(count)) for count in inputs]
    return {"input_lens": inputs.tolist(), "output_lens": outputs.tolist(), "first_ids": [int(i[0]) for i in ids],
            "last_ids": [int(i[-1]) for i in ids]}


def rest():
    numpy.random.seed(42)
    random.seed(42)
    order = list(range(50))
    out = {"uniform": numpy.random.random_sample(8).tolist(),
           "exponential": numpy.random.exponential(0.25, 8).tolist(),
           "offsets": numpy.random.randint(0, 151552, 8).tolist(),
           "random": [random.random() for _ in range(8)]}
    random.shuffle(order)
    return {**out, "shuffled": order}


print(json.dumps({"page": [lengths(*cell) for cell in CELLS], "with_ratio": lengths(1024, 512, 20, 7, 0.5),
                  "seed_42": rest(), "peer_chat16_add_5": peer(5002, 150000)}, separators=(",", ":")))
