"""Header blocks written the short way, read back by the library's own decoder."""

from __future__ import annotations

from hpack import Decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from clarion.adapters.channels.push.framing import RepeatingEncoder, varying

_names = st.sampled_from([b"apns-topic", b"authorization", b":method", b"apns-priority", b"x-long-" + b"n" * 150])
_values = st.one_of(st.sampled_from([b"POST", b"10", b"bearer " + b"t" * 300]), st.binary(max_size=600))
_fields = st.one_of(st.tuples(_names, _values), st.builds(varying, _names, _values))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(_fields, max_size=12), max_size=12), st.sampled_from([0, 64, 4096]))
def test_a_decoder_reads_what_was_written(blocks: list[list[tuple[bytes, bytes]]], table_size: int) -> None:
    encoder, decoder = RepeatingEncoder(), Decoder(max_header_list_size=2**20)
    for place, block in enumerate(blocks):
        if place == 2:
            encoder.header_table_size = table_size
        assert [tuple(field) for field in decoder.decode(encoder.encode(block), raw=True)] == [tuple(f) for f in block]


def test_headers_that_repeat_cost_a_byte_each() -> None:
    encoder = RepeatingEncoder()
    headers = [(b"apns-topic", b"test.app"), (b"authorization", b"bearer " + b"t" * 300)]
    first, second, third = (encoder.encode(headers) for _ in range(3))
    assert len(first) > 200
    assert second == third
    assert len(second) == 2
