"""Triton's kernels run in its interpreter where there is no GPU. Triton decides when it is first imported; all tests
are collected before the first one runs, and what is imported until then does not import Triton."""

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
