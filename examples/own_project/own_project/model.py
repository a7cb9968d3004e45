import lightning.pytorch as pl
import torch
from torch import nn
from torch.nn.functional import mse_loss


class Regression(pl.LightningModule):
    def __init__(self, num_features: int, width: int, lr: float):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(num_features, width), nn.ReLU(), nn.Linear(width, 1))

    def training_step(self, batch, batch_idx):
        return self._loss(batch, "train_loss")

    def validation_step(self, batch, batch_idx):
        self._loss(batch, "val_loss")

    def _loss(self, batch, name):
        x, y = batch
        loss = mse_loss(self.net(x).squeeze(1), y)
        self.log(name, loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
