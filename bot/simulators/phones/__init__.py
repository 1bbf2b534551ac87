"""The page of simulated phones: what every phone has in common, and the page that shows them side by side."""
