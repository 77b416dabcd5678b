"""From a planned run to the objects that it trains."""
