"""What every model option keeps."""

import pytest
import torch
from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.models import CNN, MLP, Classifier, resnet18
from lightning_sweeps.safety.trust import build

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]


class ModelContract:
    """Inherited once per network; a subclass names its target and some settings that change it."""

    target: str
    settings: dict

    def make(self, shape=(1, 8, 8), num_classes=10, **settings):
        net = {"_target_": self.target, "image_shape": list(shape), "num_classes": num_classes, **settings}
        return Classifier(net)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("num_classes", [2, 10])
    def test_maps_images_to_logits(self, shape, num_classes):
        model = self.make(shape, num_classes).eval()
        assert model(torch.rand(3, *shape)).shape == (3, num_classes)

    def test_every_parameter_learns(self):
        model = self.make(**self.settings)
        model(torch.rand(4, 1, 8, 8)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_settings_reach_the_network(self):
        assert str(self.make(**self.settings).net) != str(self.make().net)

    def test_predicts_probabilities(self):
        model = self.make().eval()
        batch = torch.rand(3, 1, 8, 8), torch.zeros(3, dtype=torch.long)
        torch.testing.assert_close(model.predict_step(batch, 0).sum(dim=1), torch.ones(3))

    def test_checkpoint_rebuilds_the_model_without_a_config(self, own_folder):
        from lightning.pytorch import Trainer

        model = self.make(**self.settings).eval()
        trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
        trainer.strategy.connect(model)
        trainer.save_checkpoint("model.ckpt")
        rebuilt = Classifier.load_from_checkpoint("model.ckpt", map_location="cpu", weights_only=True).eval()
        images = torch.rand(2, 1, 8, 8)
        assert torch.equal(model(images), rebuilt(images))
        assert OmegaConf.create(dict(rebuilt.hparams)) == OmegaConf.create(dict(model.hparams))


class TestCNN(ModelContract):
    target = "lightning_sweeps.models.CNN"
    settings = {"width": 8, "depth": 3, "dropout": 0.5, "activation": "gelu"}

    def test_refuses_more_levels_than_the_image_has(self):
        with pytest.raises(ConfigError, match="use 1 to 4"):
            CNN((1, 8, 8), 10, depth=5)


class TestMLP(ModelContract):
    target = "lightning_sweeps.models.MLP"
    settings = {"width": 16, "depth": 1, "dropout": 0.5, "activation": "tanh", "batch_norm": True}

    def test_takes_a_width_per_layer(self):
        widths = [layer.out_features for layer in MLP((1, 28, 28), 10, width=[64, 128, 64]) if hasattr(layer, "weight")]
        assert widths == [64, 128, 64, 10]


class TestResNet18(ModelContract):
    target = "lightning_sweeps.models.resnet18"
    settings = {"dropout": 0.5}

    def test_keeps_the_stock_stem_for_large_images(self):
        assert resnet18((3, 64, 64), 10).conv1.stride == (2, 2)
        assert resnet18((1, 64, 64), 10).conv1.in_channels == 1


def test_a_misspelt_activation_is_named():
    with pytest.raises(ConfigError, match=r"activation=rellu.*Did you mean 'relu'"):
        build(
            {"_target_": "lightning_sweeps.models.MLP", "image_shape": [1], "num_classes": 2, "activation": "rellu"},
            "model",
        )
