"""What the first revision makes; later revisions add to it and leave these modules as they are."""
