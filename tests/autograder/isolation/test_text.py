from autograder.isolation.text import plain


def test_ordinary_text_stays():
    for text in ("", "loss 0.5\n\tnext", "<b>&amp;", "Größe 中文 – 👍", "a" * 50):
        assert plain(text, 50) == text


def test_what_steers_a_terminal_goes():
    assert plain("\x1b[31mred\x1b[0m", 50) == "red"
    assert plain("\x1b]0;title\x07", 50) == "\ufffd]0;title\ufffd"
    assert plain("50%\r100%\r\n", 50) == "50%\n100%\n"
    assert plain("a\u202eb\ud800c\x00", 50) == "a\ufffdb\ufffdc\ufffd"


def test_long_text_is_cut_and_says_so():
    assert plain("abcdef", 4) == "abc…"
    assert len(plain("x" * 10**7, 100)) == 100


def test_what_is_no_text_is_empty():
    for value in (None, 5, ["a"], {"a": 1}, b"bytes"):
        assert plain(value, 10) == ""
