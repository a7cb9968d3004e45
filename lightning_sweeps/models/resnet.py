"""torchvision's ResNet-18, fitted to small images."""

from collections.abc import Sequence

from torch import nn

SMALL = 64  # pixels
RGB = 3


def resnet18(image_shape: Sequence[int], num_classes: int, dropout: float = 0.0) -> nn.Module:
    """Images (N, C, H, W) -> logits (N, num_classes).

    Below 64 pixels the first convolution is 3x3 with stride 1 and there is no first pooling, as is usual for CIFAR-10
    (He et al. 2016, section 4.2): the stock stem would leave 2x2 pixels of a 32x32 image after two of its four stages.
    """
    from torchvision.models import ResNet
    from torchvision.models import resnet18 as stock

    channels, height, breadth = image_shape
    net: ResNet = stock(num_classes=num_classes)
    if min(height, breadth) < SMALL:
        net.conv1 = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
        net.maxpool = nn.Identity()
    elif channels != RGB:
        net.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    if dropout:
        net.fc = nn.Sequential(nn.Dropout(dropout), net.fc)
    return net  # type: ignore[no-any-return]
