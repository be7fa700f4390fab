"""The cluster and the machine under it: Docker, images, kind, the outside, the probe agents."""
