"""Quality before labels come: what scores say of it, by the reference's calibration."""
