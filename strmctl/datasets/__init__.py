"""Which videos there are: data sets, splits, lists of clips, and where videos come from."""
