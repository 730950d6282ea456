"""The demo: the whole loop on one machine, with real servers and simulated Pis, watched by a witness of its own."""
