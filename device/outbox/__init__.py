"""From a sample to the store's receipt: gathered, written ahead, on disk, published, sent again."""
