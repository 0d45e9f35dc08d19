"""What a cell used of the hardware: processors, GPUs, memory and its bandwidth, energy."""
