"""A call of every torch scheduler, and of every schedule of MindSpore, as scripts have them."""

from __future__ import annotations

TORCH = [
    "LambdaLR(lr_lambda=lambda epoch: 0.95 ** epoch)",
    "MultiplicativeLR(lr_lambda=lambda epoch: 0.9 if epoch < 4 else 1.0)",
    "StepLR(step_size=3, gamma=0.1)",
    "MultiStepLR(milestones=[3, 7], gamma=0.1)",
    "ConstantLR(factor=0.5, total_iters=4)",
    "LinearLR(start_factor=0.1, total_iters=5)",
    "ExponentialLR(gamma=0.9)",
    "PolynomialLR(total_iters=9, power=2.0)",
    "CosineAnnealingLR(T_max=12, eta_min=0.001)",
    "CosineAnnealingWarmRestarts(T_0=3, T_mult=2)",
    "CyclicLR(base_lr=0.01, max_lr=0.1, step_size_up=3, mode='triangular2')",
    "OneCycleLR(max_lr=0.1, total_steps=12, three_phase=True)",
    "SequentialLR([LinearLR(start_factor=0.1, total_iters=4), CosineAnnealingLR(T_max=8)], "
    "milestones=[4])",
    "ChainedScheduler([ConstantLR(factor=0.1, total_iters=2), ExponentialLR(gamma=0.9)])",
    "ReduceLROnPlateau(patience=2)",
    "torch.optim.swa_utils.SWALR(swa_lr=0.05, anneal_epochs=4)",
]
MINDSPORE = [
    "nn.piecewise_constant_lr([14, 35, 84], [0.1, 0.01, 0.001])",
    "nn.piecewise_constant_lr([14, 35, 84], [0.1, 0.02, 0.03])",
    "nn.exponential_decay_lr(0.1, 0.9, 84, 7, 2)",
    "nn.natural_exp_decay_lr(0.1, 0.5, 84, 7, 2, True)",
    "nn.inverse_decay_lr(0.1, 0.5, 84, 7, 2)",
    "nn.cosine_decay_lr(0.0, 0.1, 84, 7, 12)",
    "nn.polynomial_decay_lr(0.1, 0.0, 84, 7, 9, 2.0)",
    "nn.polynomial_decay_lr(0.1, 0.01, 84, 7, 5, 0.5, True)",
    "nn.warmup_lr(0.1, 84, 7, 3)",
    "nn.ExponentialDecayLR(0.1, 0.9, 14, is_stair=True)",
    "nn.ExponentialDecayLR(0.1, 0.9, 14)",
    "nn.NaturalExpDecayLR(0.1, 0.05, 14)",
    "nn.InverseDecayLR(0.1, 0.5, 14, True)",
    "nn.CosineDecayLR(0.001, 0.1, 50)",
    "nn.PolynomialDecayLR(0.1, 0.0, 50, 2.0)",
    "nn.WarmUpLR(0.1, 20)",
    *(
        f"mindspore.experimental.optim.lr_scheduler.{call.replace('swa_utils', '')}"
        for call in TORCH
        if not call.startswith(("OneCycle", "Chained", "torch."))
    ),
    "train.ReduceLROnPlateau(patience=3)",
]
