"""Programs with a Trainer of their own, as people have them: no part of this package but the callback."""

TRAIN = """
import os, sys, time
from pathlib import Path
import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from LIBRARY import LightningModule, Trainer
from LIBRARY.callbacks import ModelCheckpoint
from LIBRARY.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset
from lightning_sweeps import current_trial
from lightning_sweeps.callbacks import TrialCallback

class Odd:
    pass

class Net(LightningModule):
    def __init__(self, lr, odd):
        super().__init__()
        self.save_hyperparameters()  # an object too, which torch does not load by default
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, index):
        loss = (self.layer(batch[0]) - batch[1]).pow(2).mean()
        self.log("train_loss", loss, on_step=True)
        return loss
    def validation_step(self, batch, index):
        self.log("val_loss", (self.layer(batch[0]) - batch[1]).pow(2).mean())
        self.log("val_acc", float(self.current_epoch))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)
    def on_train_epoch_start(self):
        with open("epochs", "a") as file:
            file.write(f"{self.trainer.global_rank} {self.current_epoch}\\n")
        stop = Path(f"stop-{self.current_epoch}")
        if stop.is_file():
            stop.rename("stopped")
            time.sleep(600)

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    torch.manual_seed(0)
    inputs = torch.randn(32, 4)
    loader = DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), 8, shuffle=True)
    folder = HydraConfig.get().runtime.output_dir
    callback = TrialCallback(**config.callback)
    trainer = Trainer(
        max_epochs=config.epochs, accelerator="cpu", devices=config.devices, strategy=config.strategy,
        callbacks=[callback, ModelCheckpoint(folder)], enable_progress_bar=False, enable_model_summary=False,
        log_every_n_steps=1, logger=TensorBoardLogger(folder, name="", version=""),
    )
    net = Net(config.lr, Odd())
    trainer.fit(net, loader, loader, ckpt_path=current_trial().ckpt_path)
    if config.returns == "second fit":
        Trainer(max_epochs=1, callbacks=[TrialCallback(**config.callback)], logger=False).fit(net, loader, loader)
    torch.save(net.state_dict(), Path(folder, "weights.pt"))
    if Path("stop-after").is_file():
        Path("stop-after").rename("stopped")
        time.sleep(600)
    if config.returns == "number":
        return trainer.callback_metrics["val_loss"].item()
    if config.returns == "dict":
        return {"name": "val_loss", "type": "objective", "value": trainer.callback_metrics["val_loss"].item()}

if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults:
  - override hydra/sweeper: study
lr: 0.05
epochs: 4
devices: 1
strategy: auto
returns: nothing
callback: {monitor: val_loss}
hydra:
  sweeper:
    report: false
    direction: minimize
"""
