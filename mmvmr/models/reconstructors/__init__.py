"""Reconstructors: how badly is a query explained by what a mask lets through?"""
