"""Puts the tables of benchmarks/results into docs/performance.md.

Each goes between its ``<!-- table NAME -->`` and the next ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys

from measuring import PROJECT, read_tables


def main() -> None:
    path = PROJECT / "docs" / "performance.md"
    text = path.read_text(encoding="utf-8")
    for table in read_tables():
        place = re.compile(rf"(<!-- table {re.escape(table.name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(text):
            sys.exit(f"{path} has no place for the table {table.name}")
        text = place.sub(lambda found, table=table: f"{found[1]}{table.markdown()}\n{found[2]}", text)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
