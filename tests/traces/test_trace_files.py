"""Traces in files of every kind, good and bad: what is read, what is told, what is refused."""

from __future__ import annotations

import json
import random
import string
import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from harness.catalogue import Precision
from harness.errors import ConformError, TraceUnreadable
from harness.traces import gathered, json_lines, tables
from harness.traces.lr_recorder import entry, head
from harness.traces.reading import read
from harness.traces.trace import Header, Trace
from harness.traces.written import write

HEAD = head({"framework": "torch", "precision": {"reported": "float32"}, "steps_per_epoch": 5})


@pytest.fixture
def of(tmp_path):
    """Reads a trace from bytes or a text."""

    def reading(content: bytes | str, *columns: str, name: str = "trace") -> Trace:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(path, columns)

    return reading


def rates_of(trace: Trace, name: str = "reported") -> dict[int, float]:
    return dict(zip(trace.steps.tolist(), trace.sequences[name].tolist(), strict=True))


def line(step: int, *rates: float, until: int | None = None) -> bytes:
    return entry(step, step if until is None else until, [("reported", rates)])


def test_the_recorders_lines_are_read_with_their_head(of):
    trace = of(HEAD + line(0, 0.1, 0.01, until=2) + line(3, 0.05, 0.01))
    assert trace.steps.tolist() == [0, 1, 2, 3]
    assert trace.sequences["reported"].tolist() == [0.1, 0.1, 0.1, 0.05]
    assert trace.sequences["reported 1"].tolist() == [0.01] * 4
    assert trace.precision["reported 1"] is Precision.FLOAT32
    assert (trace.header.framework, trace.header.steps_per_epoch) == ("torch", 5)
    assert trace.problems == ()


def test_a_group_that_joins_late_has_no_rate_before(of):
    trace = of(HEAD + line(0, 0.1) + line(1, 0.1, 0.02))
    assert np.isnan(trace.sequences["reported 1"][0])
    assert trace.sequences["reported 1"][1] == 0.02


@given(st.lists(st.floats(allow_nan=False, allow_infinity=True), min_size=1, max_size=30))
def test_every_float_survives_bit_for_bit_in_lines_that_are_regular_and_that_are_not(rates):
    lines = b"".join(line(step, rate) for step, rate in enumerate(rates))
    regular = json_lines._regular(lines)
    assert regular is not None
    spaced = lines.replace(b'"reported":[', b'"reported": [')
    assert json_lines._regular(spaced) is None
    from io import BytesIO

    trace = json_lines.read("trace", BytesIO(HEAD + spaced))
    due = np.array(rates).tobytes()
    assert regular.rates["reported"].tobytes() == due
    assert trace.sequences["reported"].tobytes() == due


def test_files_of_several_blocks_are_read_whole(of, monkeypatch):
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 300)
    lines = [line(step, 0.9**step) for step in range(100)]
    lines[40] = b'{"step":40, "until":40, "reported":[0.5]}\r\n'
    trace = of(HEAD + b"".join(lines))
    assert trace.steps.tolist() == list(range(100))
    assert trace.sequences["reported"][40] == 0.5
    assert trace.sequences["reported"][99] == 0.9**99


def test_what_is_written_is_read_again(tmp_path):
    steps = np.array([0, 1, 2, 5, 6])
    rates = np.array([0.1, 0.1, np.nan, 0.3, np.inf])
    trace = Trace(
        Header("x", "torch", "2.0", "cpu", "SGD", None, 390),
        steps,
        {"reported": rates, "applied": rates / 3, "reported 1": rates * 2, "applied 1": rates},
        {
            **dict.fromkeys(("reported", "reported 1"), Precision.FLOAT64),
            **dict.fromkeys(("applied", "applied 1"), Precision.FLOAT32),
        },
        resumed=(1, 5),
    )
    write(trace, tmp_path / "a.jsonl")
    again = read(tmp_path / "a.jsonl")
    assert again.steps.tolist() == steps.tolist()
    assert again.sequences.keys() == trace.sequences.keys()
    for name, values in trace.sequences.items():
        np.testing.assert_array_equal(again.sequences[name], values)
    assert again.precision == trace.precision
    assert again.resumed == trace.resumed
    assert again.header.steps_per_epoch == 390


# Resumed, torn, out of order


def test_after_a_resumption_what_was_recorded_from_there_on_counts_no_more(of):
    resume = b'{"resume":2,"framework":"torch"}\n'
    trace = of(HEAD + line(0, 0.1, until=4) + line(5, 0.05) + resume + line(2, 0.2, until=3))
    assert rates_of(trace) == {0: 0.1, 1: 0.1, 2: 0.2, 3: 0.2}
    assert trace.resumed == (2,)
    assert "4 steps were recorded again after a resumption" in trace.problems[0]


def test_a_resumption_further_back_undoes_an_earlier_one(of):
    parts = [line(0, 0.1, until=9), b'{"resume":8}\n', line(8, 0.2), b'{"resume":3}\n', line(3, 9)]
    assert rates_of(of(HEAD + b"".join(parts))) == {0: 0.1, 1: 0.1, 2: 0.1, 3: 9.0}


@pytest.mark.parametrize("cut", range(1, len(line(1, 0.05))))
def test_a_file_cut_anywhere_in_its_last_line_has_all_lines_before(of, cut):
    trace = of(HEAD + line(0, 0.1) + line(1, 0.05)[:-cut])
    assert rates_of(trace) == {0: 0.1, **({1: 0.05} if cut == 1 else {})}
    assert trace.problems == (() if cut == 1 else ("the last line is incomplete and was left out",))


def test_zeros_that_a_crash_of_the_machine_left_are_left_out(of):
    assert rates_of(of(HEAD + line(0, 0.1) + b"\0" * 5000)) == {0: 0.1}


def test_steps_out_of_order_are_sorted_and_of_a_step_that_comes_twice_the_last_counts(of):
    trace = of("step,lr\n2,0.3\n0,0.1\n1,0.2\n1,0.25\n2,0.3\n")
    assert rates_of(trace) == {0: 0.1, 1: 0.25, 2: 0.3}
    told = " ".join(trace.problems)
    assert "not in order" in told
    assert "2 rates of a step that comes again, and 1 of them with another rate" in told


def test_what_is_no_number_or_infinite_is_told(of):
    trace = of('{"step":0,"lr":NaN}\n{"step":1,"lr":null}\n{"step":2,"lr":1e400}\n')
    assert trace.steps.tolist() == [0, 2]
    assert np.isnan(trace.sequences["reported"][0])
    assert trace.sequences["reported"][1] == np.inf
    told = " ".join(trace.problems)
    assert "1 rate is not a number" in told
    assert "1 rate is infinite" in told
    assert "left out: 1 record without a rate" in told


# Of other programs


def test_records_of_another_program_may_lack_a_rate(of):
    trace = of('{"global_step":1,"loss":2}\n{"global_step":2,"loss":2,"learning_rate":0.1}\n')
    assert rates_of(trace) == {2: 0.1}
    assert "1 record" in trace.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "0,0.1\n1,0.05\n",
        "step,lr\n0,0.1\n1,0.05\n",
        "step;lr\r\n0;0.1\r\n1;0.05\r\n",
        "Wall time,Step,Value\n1.5,0,0.1\n2.5,1,0.05",
        '"Step","lr"\n"0","0.1"\n"1","0.05"\n',
        "# made by hand\n\niteration\tlearning rate\n0\t0.1\n\n1e0\t5e-2\n",
        "0 0.1\n1 0.05\n",
        "lr\n0.1\n0.05\n",
        "0.1\n0.05\n",
        "step,loss,lr\n1,,0.05\n0,2.5,0.1\n",
        "\ufeffstep,lr\n0,0.1\n1,0.05\n",
        '\ufeff{"step":0,"lr":0.1}\r\n{"step":1,"lr":0.05}',
        '{"step":0,"lr":[0.1]}\n{"lr":[0.05],"step":1.0}\n',
        "step,reported,applied\n0,0.1,0.1\n1,0.05,0.05\n",
    ],
)
def test_the_same_trace_in_many_dresses(of, text):
    assert rates_of(of(text)) == {0: 0.1, 1: 0.05}


def test_windows_own_encoding_is_read_too(of):
    assert rates_of(of("step,lr\r\n0,0.1\r\n".encode("utf-16"))) == {0: 0.1}


def test_groups_may_stand_in_rows_or_in_columns(of):
    rows = of("step,group,lr\n0,0,0.1\n0,1,0.2\n1,0,0.3\n1,1,0.4\n")
    columns = of("step,lr_0,lr_1\n0,0.1,0.2\n1,0.3,0.4\n")
    records = of('{"step":0,"lr":[0.1,0.2]}\n{"step":1,"lr":[0.3,0.4]}\n')
    for trace in (rows, columns, records):
        assert trace.sequences["reported"].tolist() == [0.1, 0.3]
        assert trace.sequences["reported 1"].tolist() == [0.2, 0.4]


def test_the_column_that_has_the_rate_may_be_named(of):
    text = "Step,run - train/lr,run - train/lr__MIN\n0,0.1,7\n"
    with pytest.raises(TraceUnreadable, match="name it with --column"):
        of(text)
    assert rates_of(of(text, "elsewhere", "run - train/lr")) == {0: 0.1}


def test_a_column_that_is_not_there_is_told_and_the_usual_one_taken(of):
    for text in ("step,lr\n0,0.1\n", '{"step":0,"lr":0.1}\n'):
        trace = of(text, "elsewhere")
        assert rates_of(trace) == {0: 0.1}
        assert "'elsewhere'; 'lr' was taken" in trace.problems[0]
    assert of(HEAD + line(0, 0.1), "elsewhere").problems == ()


def test_a_trace_may_come_through_a_pipe(tmp_path):
    import os
    from threading import Thread

    path = tmp_path / "pipe"
    os.mkfifo(path)
    for content in (b"step,lr\n0,0.1\n", HEAD + line(0, 0.1), "lr\n0.1\n".encode("utf-16")):
        writing = Thread(target=path.write_bytes, args=(content,))
        writing.start()
        assert rates_of(read(path)) == {0: 0.1}
        writing.join()


def test_rates_of_nine_digits_are_taken_for_float32_and_longer_ones_are_not(of):
    assert of("0,0.1\n1,0.0899999961\n").precision["reported"] is Precision.FLOAT32
    assert of("0,0.1\n1,0.09000000000000001\n").precision["reported"] is Precision.FLOAT64


def test_records_of_many_kinds_are_read_as_fast_as_those_of_one(of):
    rows = []
    for n in range(20_000):
        more = ', "loss": 2' * (n % 3 == 0)
        rows.append(f'{{"step": {n}, "lr": {0.9999**n!r}{more}}}\n{{"step": {n}, "accuracy": 1}}\n')
    began = time.monotonic()
    trace = of("".join(rows))
    assert time.monotonic() - began < 2.0  # some 20 times as much as it takes
    assert trace.sequences["reported"].tolist() == [0.9999**n for n in range(20_000)]


def test_a_list_that_grows_in_the_middle_is_read_and_told_apart(of):
    lines = [line(n, 0.1) for n in range(5000)] + [line(n, 0.1, 0.2) for n in range(5000, 9000)]
    lines[3] = lines[3].replace(b'"reported":', b'"reported": ')
    trace = of(HEAD + b"".join(lines))
    assert np.isnan(trace.sequences["reported 1"]).sum() == 5000
    assert trace.steps.tolist() == list(range(9000))


EMPTY = {
    "rows of several loggers": "step,lr,loss\n0,0.1,\n0,,0.7\n1,0.05,\n1,,0.6\n",
    "the rate last": "step,lr,loss\n0,,0.7\n0,0.1,\n1,,0.6\n1,0.05,\n",
    "rows of nothing": "step;lr\n;\n0;0.1\n;\n1;0.05\n;\n",
    "a word for nothing": "step\tlr\n0\t0.1\n0\tNA\n1\t0.05\n1\tnull\n",
    "records": '{"step":0,"lr":0.1}\n{"step":0,"lr":null,"loss":1}\n{"step":1,"lr":0.05}\n'
    '{"step":1,"loss":1,"lr":null}\n',
    "records without a step": '{"step":0,"lr":0.1}\n{"step":1,"lr":0.05}\n'
    '{"step":null,"lr":null}\n',
    "rows of one group": "step,group,lr\n0,0,0.1\n0,0,\n1,0,0.05\n1,,\n",
}


@pytest.mark.parametrize("text", EMPTY.values(), ids=list(EMPTY))
def test_where_there_is_no_rate_none_is_overwritten(of, text):
    trace = of(text)
    assert rates_of(trace) == {0: 0.1, 1: 0.05}
    assert "without a rate" in " ".join(trace.problems)
    assert "comes again" not in " ".join(trace.problems)


def test_a_rate_of_one_sequence_is_read_where_the_other_has_none(of):
    rows = of("step,lr_0,lr_1\n0,0.1,\n0,,0.2\n1,0.3,0.4\n1,,\n2,,0.6\n")
    records = of(
        '{"step":0,"lr":[0.1,null]}\n{"step":0,"lr":[null,0.2]}\n{"step":1,"lr":[0.3,0.4]}\n'
        '{"step":2,"lr":[null,0.6]}\n'
    )
    for trace in (rows, records):
        assert rates_of(trace, "reported 1") == {0: 0.2, 1: 0.4, 2: 0.6}
        np.testing.assert_array_equal(trace.sequences["reported"], [0.1, 0.3, np.nan])


def test_rows_without_steps_are_counted_with_those_that_are_empty(of):
    assert rates_of(of("lr,loss\n0.1,\n,1\n0.05,1\n")) == {0: 0.1, 2: 0.05}


@pytest.mark.parametrize(
    ("step", "read"),
    [
        ("9007199254740991", 2**53 - 1),
        ("9007199254740992", "step 9007199254740992 is too large: the largest is 2^53 - 1"),
        ("9007199254740993", "step 9007199254740993 is too large: the largest is 2^53 - 1"),
        ("1e300", "step 1e300 is too large: the largest is 2^53 - 1"),
        ("1_0", "'1_0' is not a number"),
        ("1e3", 1000),
        (" 7 ", 7),
        ("+3", 3),
        ("0x10", "'0x10' is not a number"),
        ("１", "'１' is not a number"),
        ("٣", "'٣' is not a number"),
        ("-0", 0),
        ("007", 7),
        ("-1", "'-1' is not a step: expected a whole number from 0 on"),
        ("1.5", "'1.5' is not a step: expected a whole number from 0 on"),
        ("", "'' is not a number"),
    ],
)
@pytest.mark.parametrize("beside", ["", "2,0.1\n3,0.1\n"], ids=["alone", "among others"])
def test_a_step_is_read_as_it_is_written_or_refused(of, step, read, beside):
    text = f"step,lr\n{beside}{step},0.5\n"
    if isinstance(read, int):
        assert rates_of(of(text))[read] == 0.5
        return
    with pytest.raises(TraceUnreadable) as refused:
        of(text)
    assert str(refused.value).endswith(f":{4 if beside else 2}: {read}")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("9007199254740992", "step 9007199254740992 is too large"),
        ("9007199254740993", "step 9007199254740993 is too large"),
        ("1e999", "is too large"),
        ('"7"', "'7' is not a number"),
        ("true", "True is not a number"),
        ("null", "'null' is not a step"),
        ("0x10", "no JSON"),
        ("1_0", "no JSON"),
        ("１", "no JSON"),
    ],
)
def test_a_step_of_a_record_is_read_as_it_is_written_or_refused(of, step, said):
    with pytest.raises(TraceUnreadable) as refused:
        of(f'{{"step":0,"lr":1}}\n{{"step":{step},"lr":0.5}}\n')
    assert f":2: {said}" in str(refused.value) or said in str(refused.value)


def test_more_steps_than_can_be_counted_are_refused(of):
    far = [line(0, 0.1, until=2**53 - 1) for _ in range(1500)]
    with pytest.raises(TraceUnreadable, match="more than 50,000,000"):
        of(HEAD + b"".join(far))


# Refused

BAD = {
    "empty": (b"", "it is empty"),
    "nothing but spaces": (b" \n\n", "it is empty"),
    "nothing but a mark": (b"\xef\xbb\xbf", "it is empty"),
    "nothing but a head": (HEAD, "there is no rate in it"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither text nor an event file"),
    "another encoding": ("step,lr\n0,0.1 \xb5\n".encode("latin-1"), "no text in UTF-8"),
    "half of UTF-16": (b"\xff\xfes\0t", "no text in UTF-8"),
    "a list": (b'[{"step":0,"lr":0.1}]', "one object a line"),
    "a negative step": (HEAD + line(0, 1) + line(-3, 0.1), ":3: '-3' is not a step"),
    "half a step": (b"step,lr\n0,0.1\n0.5,0.1\n", ":3: '0.5' is not a step"),
    "an endless step": (b"step,lr\n1e400,0.1\n", ":2: step 1e400 is too large"),
    "a step that is none": (b"step,lr\n0,0.1\nnan,0.1\n", ":3: 'nan' is not a step"),
    "a huge step": (
        b'{"step":123456789012345678901234567890,"lr":0.1}',
        ":1: step 1234",
    ),
    "a rate that is a text": (b'{"step":0,"lr":"0.1"}\n', ":1: '0.1' is not a number"),
    "a rate that is a truth": (b'{"step":0,"lr":true}\n', ":1: True is not a number"),
    "a cell that is a text": (b"step,lr\n0,0.1\n1,high\n", ":3: 'high' is not a number"),
    "a torn row": (b"step,lr\n0,0.1\n1\n", ":3: 1 columns, and 2 before"),
    "columns without names": (b"0,0,0.1\n", ":1: 3 columns without names"),
    "garbage in the middle": (HEAD + line(0, 1) + b"{oops\n" + line(1, 1), ":3: no JSON"),
    "a log line in the middle": (HEAD + line(0, 1) + b"loss 3\n" + line(1, 1), ":3: no JSON"),
    "a number as a record": (HEAD + b"7\n", ":2: no JSON object"),
    "another format": (b'{"format":"trace","version":1}\n', "format 'trace'"),
    "a later version": (b'{"format":"lr-trace","version":2}\n', "this suite reads 'lr-trace'"),
    "two heads": (HEAD + line(0, 1) + HEAD, ":3: a second head"),
    "an end before its begin": (HEAD + line(5, 1, until=3), "until is before step"),
    "an entry without a rate": (HEAD + b'{"step":1,"until":1}\n', ":2: neither an entry"),
    "an end beyond all memory": (HEAD + line(0, 1, until=10**12), "more than 50,000,000"),
    "a resumption of nothing": (HEAD + line(0, 1) + b'{"resume":"x"}\n', ":3: 'x' is not a number"),
    "a resumption of a list": (HEAD + line(0, 1) + b'{"resume":[1]}\n', ":3: a list is not a step"),
    "a list of steps": (b'{"step":[0],"lr":1}\n', ":1: a list is not a step"),
    "an endless list": (
        HEAD + b'{"step":0,"until":0,"reported":[[1]]}\n',
        ":2: [1] is not a number",
    ),
    "records without a rate": (b'{"step":0,"loss":1}\n', "there is no rate in it"),
    "a column that is none": (b"step,loss\n0,1\n", "name it with --column"),
    "an endless cell": (b"step,lr\n0," + b"x" * 200_000 + b"\n", "field larger than"),
    "an endless head": (b"step," + b"x" * 200_000 + b"\n", "field larger than"),
    "two records in a line": (HEAD + line(0, 1) + b'{"step":1},{"step":2}\n', ":3: no JSON"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=list(BAD))
def test_what_is_no_trace_is_refused_with_its_place(of, content, said):
    with pytest.raises(TraceUnreadable) as refused:
        of(content)
    assert said in str(refused.value)
    assert "trace" in str(refused.value)  # the file's name


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path):
    with pytest.raises(TraceUnreadable, match="No such file"):
        read(tmp_path / "no.csv")
    with pytest.raises(TraceUnreadable, match="a folder without event files"):
        read(tmp_path)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.booleans())
def test_no_content_whatever_is_a_fault_of_the_suite(tmp_path_factory, content, with_head):
    path = tmp_path_factory.mktemp("any") / "trace"
    path.write_bytes(HEAD + content if with_head else content)
    try:
        trace = read(path)
    except ConformError:
        return
    assert (np.diff(trace.steps) > 0).all()
    assert all(len(rates) == len(trace.steps) for rates in trace.sequences.values())


def test_a_good_trace_with_a_few_bytes_changed_is_read_or_refused(tmp_path):
    draw = random.Random(20261124)
    good = HEAD + line(0, 0.1, 0.2, until=3) + b'{"resume":2}\n' + line(2, 0.1, 0.3) + line(3, 1, 2)
    path = tmp_path / "trace"
    for _ in range(500):
        torn = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            torn[draw.randrange(len(torn))] = ord(draw.choice(string.printable + "\0\xff"))
        path.write_bytes(bytes(torn))
        try:
            trace = read(path)
        except ConformError:
            continue
        assert len(trace.steps) <= gathered.MAX_STEPS


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 20), st.integers(0, 5), st.floats(0, 1)),
            st.integers(0, 20),
        ),
        max_size=12,
    )
)
def test_a_trace_is_what_its_lines_say_one_after_the_other(parts):
    from io import BytesIO

    due: dict[int, float] = {}
    text = HEAD
    for part in parts:
        if isinstance(part, int):
            text += json.dumps({"resume": part}).encode() + b"\n"
            due = {step: rate for step, rate in due.items() if step < part}
        else:
            begin, more, rate = part
            text += line(begin, rate, until=begin + more)
            due |= dict.fromkeys(range(begin, begin + more + 1), rate)
    if not due:
        with pytest.raises(TraceUnreadable):
            json_lines.read("trace", BytesIO(text))
        return
    trace = json_lines.read("trace", BytesIO(text))
    assert rates_of(trace) == dict(sorted(due.items()))


def test_tables_are_read_alike_by_chunks_and_at_once(monkeypatch, of):
    text = "step,group,lr\n" + "".join(f"{n},{n % 2},{0.9**n!r}\n" for n in range(101))
    whole = of(text)
    monkeypatch.setattr(tables, "BLOCK_CHARACTERS", 200)
    parts = of(text)
    for name in ("reported", "reported 1"):
        np.testing.assert_array_equal(whole.sequences[name], parts.sequences[name])
