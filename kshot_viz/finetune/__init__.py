"""Fine-tuning on k shots: the shared-gradient rule, the methods, the reference loop, evaluation."""
