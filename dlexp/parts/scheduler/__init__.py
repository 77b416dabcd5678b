"""Learning-rate schedules, made with torch.optim.lr_scheduler. Each reaches its last value at the end of the run."""
