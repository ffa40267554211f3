"""Pages of docs/ that benchmarks fill: what stands between a script's marks is made again."""


def put_into(page: str, script: str, text: str) -> str:
    """The page with everything between the marks of `benchmarks/{script}` replaced.

    Raises:
        ValueError: the page has no such marks.
    """
    start, end = f"<!-- made by benchmarks/{script}: start -->", "<!-- end -->"
    before, rest = page.split(start)
    _, after = rest.split(end, maxsplit=1)
    return f"{before}{start}\n\n{text.strip()}\n\n{end}{after}"
