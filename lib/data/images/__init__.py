"""From picture files to the network's input: decoding, views, degradations, batches."""
