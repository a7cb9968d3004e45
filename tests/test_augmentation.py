"""Augmentation: every image its own parameters, in one operation per batch."""

import torch

from lightning_sweeps.datamodules.augmentation import RandomFlip, RandomShift, augmentation


def test_shift_moves_each_image_by_its_own_offset_and_fills_with_zeros():
    images = torch.zeros(200, 1, 5, 5)
    images[:, :, 2, 2] = 1
    shifted = RandomShift(2)(images)
    places = {tuple(image.nonzero()[0].tolist()) for image in shifted}
    assert shifted.shape == images.shape
    assert shifted.sum() == 200
    assert len(places) == 25


def test_flip_mirrors_about_half_of_the_images():
    images = torch.arange(4.0).expand(400, 1, 1, 4)
    mirrored = RandomFlip()(images)[:, 0, 0, 0] == 3
    assert 120 < mirrored.sum() < 280


def test_bytes_stay_bytes():
    images = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8)
    transform = augmentation(shift=1, flip=True, crop=2)
    assert transform(images).dtype == torch.uint8


def test_nothing_asked_for_is_nothing():
    assert augmentation() is None
