"""IR drop: what wires, drivers, sense amplifiers and access transistors make of a crossbar, by Kirchhoff's laws.

`sheet` holds the datasheet, `circuit` the exact solution for given voltages, `transfer` the matrix that a crossbar
amounts to, `newton` cells of any current-voltage law.
"""
