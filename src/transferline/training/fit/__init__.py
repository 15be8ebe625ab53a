"""What all trainings share: batches, epochs, optimizers, devices, callbacks and the result."""
