"""Networks: any ``nn.Module`` with its groupable layers, its head and its preprocess."""
