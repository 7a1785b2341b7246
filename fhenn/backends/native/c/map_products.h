/* The products of a map, before its giant steps are turned. */
#pragma once
#include "maps.h"

/* Of every giant step of every result, the products, summed: [2][k + lifted] polynomials, pitch_of(ring) words apart. */
u64* products_of(const Ring* ring, const Map* map, Scratch* scratch);

/* Scratch that it takes, with what it gives. */
size_t polynomials_to_multiply(const Ring* ring, const Map* map);
