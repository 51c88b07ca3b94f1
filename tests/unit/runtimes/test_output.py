"""What is kept of a server's output."""

from situs.runtimes.output import BoundedLog


def test_the_log_keeps_the_newest_and_never_more_than_twice_its_limit(tmp_path):
    log = BoundedLog(tmp_path / "x.log", limit=1000)
    for number in range(500):
        log.write(f"line {number}\n".encode())
    kept = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert 0 < kept <= 2000
    assert log.path.read_text().endswith("line 499\n")
    assert log.tail(2) == "line 498\nline 499"


def test_what_is_printed_while_serving_is_counted_and_not_kept(tmp_path):
    log = BoundedLog(tmp_path / "x.log")
    log.write(b"loading\n")
    log.serving()
    for piece in (b"prompt: can", b"ary-1\ncanary-2\nGGML_ASS", b"ERT(x) failed\ncanary-3"):
        log.write(piece)
    assert log.path.read_text() == "loading\nGGML_ASSERT(x) failed\n"
    assert "canary" not in log.tail()
    assert "(2 lines printed while serving were not kept)" in log.tail()
    log.loading()
    log.write(b"again\n")
    assert log.tail() == "again"
