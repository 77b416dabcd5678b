"""The outputs of a model for a batch, and the mode in which it is trained."""

from torch import Tensor, nn

from dlexp.machine.precision import Precision


def compute_outputs(model: nn.Module, precision: Precision, inputs: Tensor, *, mirror: bool) -> Tensor:
    """Compute the outputs for scaled inputs, float32 [B, K].

    Args:
        model: In eval mode.
        precision: Number format of the forward pass.
        inputs: A batch.
        mirror: Whether an image's outputs are the mean over the image and its mirror image (left and right exchanged).
    """
    with precision.autocast:
        outputs = model(inputs).float()
        if mirror:
            outputs = (outputs + model(inputs.flip(-1)).float()) / 2
    return outputs


def set_train_mode(model: nn.Module) -> None:
    """Set the model to training mode, and each module whose parameters are all frozen, with what it contains, to eval mode.

    A frozen module so keeps, for instance, the running statistics of its batch norm.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
