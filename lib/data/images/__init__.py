"""From picture files to what the network sees: decoding, views, degradations, batches."""
