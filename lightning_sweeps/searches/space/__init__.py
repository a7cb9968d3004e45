"""What is searched: parameters, samplers, and the config of a trial."""
