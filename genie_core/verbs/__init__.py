"""What the plugin does for each CNI verb. One module per verb, imported when that verb is called."""
