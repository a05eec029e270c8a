"""Probes of the endpoints at low load: what would ruin a training, found before the burst."""
