"""How artifacts reach readers: ledger, difference, targets, push."""
