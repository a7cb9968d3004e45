import lightning.pytorch as pl
import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


class Diabetes(pl.LightningDataModule):
    num_features = 10

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        x, y = load_diabetes(return_X_y=True)
        x, y = torch.tensor(x, dtype=torch.float32) * 20, torch.tensor(y, dtype=torch.float32) / 100
        parts = train_test_split(x, y, test_size=0.2, random_state=0)
        self.train, self.val = TensorDataset(parts[0], parts[2]), TensorDataset(parts[1], parts[3])

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, self.batch_size)
