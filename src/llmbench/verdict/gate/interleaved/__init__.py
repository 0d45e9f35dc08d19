"""A against B, interleaved in one session: order, differences, repeated looks, decision."""
