from pathlib import Path

import pytest

from kpp.errors import InputError
from kpp.schema import CPU_LIMIT, LINE, SERVICE
from kpp.whatif.small_tables import Allowed, read_small_table

LIMIT = {CPU_LIMIT: Allowed(above_least=True)}


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "limits.csv"
    path.write_text(text, encoding="utf-8")
    return read_small_table(path, [SERVICE], LIMIT, [SERVICE, CPU_LIMIT])


def test_cells_become_names_and_numbers_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    path.write_text("\ufeffService, CPU Limit ,Note\n\n front ,0.5,hot\nback,,\n", encoding="utf-8")

    frame = read_small_table(path, [SERVICE], LIMIT, [SERVICE, CPU_LIMIT])

    assert frame[SERVICE].tolist() == ["front", "back"]
    assert frame[CPU_LIMIT].iloc[0] == 0.5
    assert frame[CPU_LIMIT].isna().tolist() == [False, True]
    assert frame["Note"].tolist() == ["hot", ""]
    assert frame[LINE].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "limits.csv: the file is empty"),
        ("Service,CPU Limit\n", "a header and no row"),
        ("Service,CPU limit\nfront,1\n", "missing column 'CPU Limit' (is 'CPU limit' meant?)"),
        ("Service,CPU Limit,Service\nfront,1,x\n", "the column 'Service' is there twice"),
        ("Service,CPU Limit\nfront,1,2\n", "line 2: 3 fields under a header of 2"),
        ("Service,CPU Limit\nfront,half\n", "line 2: CPU Limit is 'half'; write a number above 0"),
        ("Service,CPU Limit\nfront,0\n", "line 2: CPU Limit is '0'"),
        ("Service,CPU Limit\nfront,nan\n", "line 2: CPU Limit is 'nan'"),
        ("Service,CPU Limit\nfront,inf\n", "line 2: CPU Limit is 'inf'"),
        ("Service,CPU Limit\n,1\n", "line 2: Service is empty"),
        ('Service,CPU Limit\n"front,1\n', "is no CSV"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line_and_the_mend(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)

    assert message in str(error.value)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("Service,CPU Limit\ncafé,1\n".encode("latin-1"))

    for path, message in ((tmp_path / "none.csv", "no such file"), (tmp_path / "latin.csv", "not UTF-8")):
        with pytest.raises(InputError, match=message):
            read_small_table(path, [SERVICE], LIMIT, [SERVICE, CPU_LIMIT])
    with pytest.raises(InputError, match="cannot be read"):
        read_small_table(tmp_path, [SERVICE], LIMIT, [SERVICE, CPU_LIMIT])
