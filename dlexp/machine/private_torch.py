"""Every private name of torch that dlexp uses, because torch has no public one for it. Seen in torch 2.11 to 2.15.

tests/machine/test_private_torch.py fails by name if a release moves one.
"""

from collections.abc import Callable

from torch._subclasses.fake_tensor import FakeTensorMode  # tensors with a shape and no memory; unlike meta, they autocast

__all__ = ["FakeTensorMode", "call_around_compilation"]


def call_around_compilation(start: Callable[[object], None], end: Callable[[object], None]) -> None:
    """Call `start` before and `end` after each compilation of torch.compile in this process; repeated calls change nothing."""
    from torch._dynamo.callback import callback_handler  # loads the compiler, which takes seconds

    if start not in callback_handler.start_callbacks:
        callback_handler.register_start_callback(start)
        callback_handler.register_end_callback(end)
