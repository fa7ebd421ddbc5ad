"""Templates, styles, scripts and words of the portal."""
