"""The log and what coordinates around it: rows, streams, epochs and leases. It does not know what a flow is."""
