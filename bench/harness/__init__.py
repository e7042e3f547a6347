"""What `make bench` is made of; bench/run.py is the way in."""
