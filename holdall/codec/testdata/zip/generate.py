"""Golden archives for zip_test.cc, laid out by torch's own writer. Written with torch 2.13.0.

torch.zip        four members of PyTorchFileWriter
torch_zip64.tsv  what stands between and behind the payloads of an archive with a member of 4 GiB + 100 bytes, as
                 "offset<TAB>hexadecimal" runs; its zeros themselves are left out
"""

import pathlib

import torch

HERE = pathlib.Path(__file__).parent
BIG = 2**32 + 100


class Records:
    """A target that keeps small writes and forgets large ones."""

    def __init__(self):
        self.position = 0
        self.runs = []

    def write(self, data):
        if len(data) < 100_000:
            if self.runs and self.runs[-1][0] + len(self.runs[-1][1]) == self.position:
                self.runs[-1][1].extend(data)
            else:
                self.runs.append((self.position, bytearray(data)))
        self.position += len(data)
        return len(data)


def write(target, big):
    writer = torch._C.PyTorchFileWriter(target)
    writer.write_record("small", b"abc", 3)
    writer.write_record("big", torch.zeros(big, dtype=torch.uint8).untyped_storage(), big)
    writer.write_record("after", b"defg", 4)
    writer.write_end_of_file()


small = Records()
write(small, 1000)
assert len(small.runs) == 1
(HERE / "torch.zip").write_bytes(small.runs[0][1])
large = Records()
write(large, BIG)
(HERE / "torch_zip64.tsv").write_text("".join(f"{offset}\t{data.hex()}\n" for offset, data in large.runs))
