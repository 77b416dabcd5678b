"""How fast dlexp is beside something else that does the same work: paired, interleaved, with a control and an interval."""
