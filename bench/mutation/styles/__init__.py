"""Networks as people write them: one hidden layer, in three styles. Mistakes are planted in their source."""
