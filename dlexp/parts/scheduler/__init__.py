"""Learning-rate schedules over torch.optim.lr_scheduler. Each has its last value when the run has ended."""
