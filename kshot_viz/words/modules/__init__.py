"""The parts of the hyper-network, one idea each."""
