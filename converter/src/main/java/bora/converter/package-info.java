/**
 * The stages in order, checkpoint to verified pack: conversion of a plan, verification set-up, the
 * whole build. Each takes immutable artifacts and makes one. The command line above this package
 * holds no logic of its own.
 *
 * <p>Start with {@link bora.converter.Build}.
 */
package bora.converter;
