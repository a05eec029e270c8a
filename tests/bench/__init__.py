"""What the generator itself costs; run by `make bench`, never by the tests."""
