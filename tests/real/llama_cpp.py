"""llama.cpp's own library, for tests of what it is given: `python llama_cpp.py LIBRARIES MODEL`, the question as JSON on standard input.

LIBRARIES is the folder of libllama and libggml (the npm package @node-llama-cpp/linux-x64 has them in bins/linux-x64). The
question: {"texts": [text, …], "ids": [token, …], "embeddings": bool}. The answer, one line of JSON: {"tokens": [[…] a text],
"values": […], "description": text}; values are the logits of each token, or with "embeddings" its embedding, or the one that the
model pools them to. A process of its own: the library aborts where it finds a fault. Signatures: include/llama.h.
"""

import ctypes
import json
import pathlib
import sys

import numpy

INTS = ctypes.POINTER(ctypes.c_int32)
FLOATS = ctypes.POINTER(ctypes.c_float)
HANDLE = ctypes.c_void_p


class Batch(ctypes.Structure):
    """llama_batch."""

    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", INTS),
        ("embd", FLOATS),
        ("pos", INTS),
        ("n_seq_id", INTS),
        ("seq_id", ctypes.POINTER(INTS)),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


class Parameters(ctypes.Structure):
    """llama_model_params or llama_context_params as the library gives them: passed by value, so more room than they take."""

    _fields_ = [("bytes", ctypes.c_uint8 * 1024)]


SIGNATURES = {
    "llama_model_default_params": (Parameters,),
    "llama_context_default_params": (Parameters,),
    "llama_model_load_from_file": (HANDLE, ctypes.c_char_p, Parameters),
    "llama_init_from_model": (HANDLE, HANDLE, Parameters),
    "llama_model_get_vocab": (HANDLE, HANDLE),
    "llama_vocab_n_tokens": (ctypes.c_int32, HANDLE),
    "llama_model_n_embd": (ctypes.c_int32, HANDLE),
    "llama_model_n_cls_out": (ctypes.c_uint32, HANDLE),
    "llama_model_desc": (ctypes.c_int32, HANDLE, ctypes.c_char_p, ctypes.c_size_t),
    "llama_pooling_type": (ctypes.c_int, HANDLE),
    "llama_set_embeddings": (None, HANDLE, ctypes.c_bool),
    "llama_batch_init": (Batch, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32),
    "llama_decode": (ctypes.c_int32, HANDLE, Batch),
    "llama_get_logits_ith": (FLOATS, HANDLE, ctypes.c_int32),
    "llama_get_embeddings_ith": (FLOATS, HANDLE, ctypes.c_int32),
    "llama_get_embeddings_seq": (FLOATS, HANDLE, ctypes.c_int32),
    "llama_tokenize": (ctypes.c_int32, HANDLE, ctypes.c_char_p, ctypes.c_int32, INTS, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool),
}
POOLING_NONE, POOLING_RANK = 0, 4


def library(folder):
    def load(pattern):
        return ctypes.CDLL(str(next(folder.glob(pattern))), ctypes.RTLD_GLOBAL)

    load("libggml-base.so")
    ggml = load("libggml.*so")
    ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
    ggml.ggml_backend_load_all_from_path(str(folder).encode())
    llama = load("libllama.*so")
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(llama, name)
        function.restype, function.argtypes = result, arguments
    return llama


def tokenize(llama, vocabulary, text):
    raw = text.encode()
    out = (ctypes.c_int32 * (2 * len(raw) + 16))()
    count = llama.llama_tokenize(vocabulary, raw, len(raw), out, len(out), True, True)
    return list(out[:count])


def run(llama, model, ids, embeddings):
    context = llama.llama_init_from_model(model, llama.llama_context_default_params())
    llama.llama_set_embeddings(context, embeddings)
    batch = llama.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for place, token in enumerate(ids):
        batch.token[place], batch.pos[place], batch.logits[place] = token, place, 1
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
    status = llama.llama_decode(context, batch)
    assert status == 0, f"llama_decode: {status}"
    pooling = llama.llama_pooling_type(context)
    if embeddings and pooling > POOLING_NONE:
        width = llama.llama_model_n_cls_out(model) if pooling == POOLING_RANK else llama.llama_model_n_embd(model)
        return numpy.ctypeslib.as_array(llama.llama_get_embeddings_seq(context, 0), (width,))
    width = llama.llama_model_n_embd(model) if embeddings else llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    row = llama.llama_get_embeddings_ith if embeddings else llama.llama_get_logits_ith
    return numpy.stack([numpy.ctypeslib.as_array(row(context, place), (width,)) for place in range(len(ids))])


def main():
    llama = library(pathlib.Path(sys.argv[1]))
    model = llama.llama_model_load_from_file(sys.argv[2].encode(), llama.llama_model_default_params())
    if not model:
        sys.exit("llama.cpp does not load it")
    asked = json.load(sys.stdin)
    vocabulary = llama.llama_model_get_vocab(model)
    description = ctypes.create_string_buffer(256)
    llama.llama_model_desc(model, description, len(description))
    tokens = [tokenize(llama, vocabulary, text) for text in asked["texts"]]
    values = run(llama, model, asked["ids"], asked["embeddings"])
    print(json.dumps({"tokens": tokens, "values": values.tolist(), "description": description.value.decode()}))


if __name__ == "__main__":
    main()
